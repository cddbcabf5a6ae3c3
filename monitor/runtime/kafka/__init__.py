"""The monitor on Kafka and Faust: the only importer of either."""

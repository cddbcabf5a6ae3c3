"""What is read from text where an event enters, once; then the text is dropped.

Not here: hashes and soft errors (`schemas.texts`), what a broken contract means for a run (the run tracker).
"""

from monitor.reading.reader import Reader

__all__ = ["Reader"]

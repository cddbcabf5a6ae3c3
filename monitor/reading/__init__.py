"""What is read from text where an event enters, once; then the text is dropped.

Not here: hashes (`schemas.derive`), soft errors (`schemas.soft_errors`), what a broken contract means for a run (the
run tracker).
"""

from monitor.reading.reader import Reader

__all__ = ["Reader"]

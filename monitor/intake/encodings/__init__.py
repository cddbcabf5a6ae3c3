"""OTLP's two encodings. Imported by `monitor.intake.otlp` alone."""

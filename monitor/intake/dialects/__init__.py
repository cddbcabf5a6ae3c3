"""What each instrumentation writes on a span, as tables. Imported by `monitor.intake.mapping` alone (and by tests)."""

"""Parts of `monitor.app`: how each edge sees the runtime."""

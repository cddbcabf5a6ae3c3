"""What others say of a run after it closed, or of the whole: evaluations, users (`late`), verifiers against both."""

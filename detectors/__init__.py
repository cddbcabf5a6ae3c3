"""Pure statistics: bets against "nothing changed", and the one recursion that turns them into pages.

Formulas and proofs: T1 to T10 are named in each module; the alert budget is kept by T1 (`detectors.recursion`).
"""

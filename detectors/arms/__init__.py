"""Two versions side by side, looked at as often as one likes.

`labels`: is the candidate worse, by whom the bad runs of a block belong to (randomised: exact, whatever the share and
whatever the common rate does). `pairs`: the same inputs given to both (exact). `past`: the candidate against what was
normal (calibrated). `shares`, `medians`: intervals that hold at any look.
"""

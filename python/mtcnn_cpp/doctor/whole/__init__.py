"""The doctor on a whole trace: which step of somebody's detection is wrong, and what was done there.

A detection is a row of `steps`: each takes tensors by name and gives tensors by name. A step has knobs, each
of which is right or stands at one of its named faults: those of `layers`, `pixels` and `boxes`. `search`
computes each step from their own inputs (from the gold trace's where theirs are missing), and where the
outcome is not theirs, under every fault and every pair of faults. `effect` runs the whole detection with a
fault, to say what it does to the faces; `theirs` reads what they have; `diagnosis` puts it together.
"""

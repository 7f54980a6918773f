"""Diagnosis of a trace: which steps of a port's detection are wrong, and which faults explain them.

A detection is a sequence of `steps`; each step computes tensors from other tensors. A step has parameters.
Each parameter has its correct value or one of several known wrong values, the faults (`layer_faults`,
`image_faults`, `box_faults`). `search` computes each step from the inputs that the candidate recorded. If the
candidate lacks an input, `search` uses the input of the reference. If the result differs from the candidate's
tensor, `search` tries single faults, and then pairs of faults. `candidate` reads the port's tensors, and
`diagnosis` makes the `results`.
"""

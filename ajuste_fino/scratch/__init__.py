"""The lecture's parts written by hand, with torch's names: `functional`, `nn`, `optim` and `backprop`.

They use tensors, indexing, matrix products, sums, exponentials and maxima, and none of torch's own layers, gradients of
layers or update rules. `scratch.nn.X` and `scratch.optim.X` stand in for `torch.nn.X` and `torch.optim.X`.
"""

"""Training sequences whose answers depend on the examples before them, so that the model learns to use them."""

"""Training of the two bridges of a Flamingo model: Perceiver Resampler and gated cross-attention."""

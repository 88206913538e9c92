"""The files that the contestants of the peer benchmark load, all from the same weights."""

fn place_in_pair(dim: u32) -> Half {
    return Half(dim / 2u, dim ^ 1u, select(-1.0, 1.0, (dim & 1u) == 1u));
}

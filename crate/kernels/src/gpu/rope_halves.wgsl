fn place_in_pair(dim: u32) -> Half {
    let pairs = info.rotary_dims / 2u;
    if (dim < pairs) {
        return Half(dim, dim + pairs, -1.0);
    }
    return Half(dim - pairs, dim - pairs, 1.0);
}

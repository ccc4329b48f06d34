"""Distance fields, iso-surfaces, simplification, UV atlas, rasterisers: arrays in, arrays out; no files."""

"""Methods for small networks on digits: one readable file each."""

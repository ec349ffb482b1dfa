"""Records in an LMDB: written as Caffe's Datum, checked and read."""

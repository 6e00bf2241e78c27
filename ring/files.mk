archives += ring
ring.src := ring/blkif.c

archives += ring
ring.src := ring/blkif.c ring/netif.c

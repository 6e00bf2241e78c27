archives += ring
ring.src := ring/blkif.c ring/netif.c
ring.src += ring/dialect.c

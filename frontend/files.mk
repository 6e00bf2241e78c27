# The sans-I/O core: one queue, and the keys in the store.
archives += blkfront
blkfront.src := frontend/core/blkfront.c frontend/core/blkkeys.c

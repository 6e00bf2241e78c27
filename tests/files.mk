# lists for tests/

units += test_fsm
test_fsm.src := tests/unit/test_fsm.c
test_fsm.deps := fsm
test_fsm.pkgs := cmocka

units += test_config
test_config.src  := tests/unit/test_config.c
test_config.deps := control common
test_config.pkgs := inih cmocka
units += test_ring test_wire
test_ring.src := tests/unit/test_ring.c
test_ring.deps := ring
test_ring.pkgs := cmocka
test_wire.src := tests/unit/test_wire.c
test_wire.deps := ring
test_wire.pkgs := cmocka

units += test_blkfront test_blkkeys
test_blkfront.src := tests/unit/test_blkfront.c
test_blkfront.deps := blkfront ring
test_blkfront.pkgs := cmocka
test_blkkeys.src := tests/unit/test_blkkeys.c
test_blkkeys.deps := blkfront
test_blkkeys.pkgs := cmocka

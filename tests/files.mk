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

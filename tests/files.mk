# lists for tests/

units += test_fsm
test_fsm.src := tests/unit/test_fsm.c
test_fsm.deps := fsm
test_fsm.pkgs := cmocka

units += test_config
test_config.src  := tests/unit/test_config.c
test_config.deps := control common
test_config.pkgs := inih cmocka

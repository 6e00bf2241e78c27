# lists for tests/

units += test_fsm
test_fsm.src := tests/unit/test_fsm.c
test_fsm.deps := fsm
test_fsm.pkgs := cmocka

# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The verbs of the real-Xen world, to be sourced in Dom0.

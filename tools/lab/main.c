/* SPDX-License-Identifier: MIT */
/* xensplit-lab: `xensplit lab` as a program of its own. */
#include "tools/lab/lab.h"

int main(int argc, char **argv)
{
	return xsp_lab_main(argc, argv);
}

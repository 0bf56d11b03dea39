/*
 * forebayctl: asks a running forebayd.
 */
#include "ctl/control.h"

int
main(int argc, char **argv)
{
	return (int)control_run(argc, argv);
}

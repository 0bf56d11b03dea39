/*
 * forebayctl: asks a running forebayd.
 */
#include "server/control.h"

int
main(int argc, char **argv)
{
	return (int)control_run(argc, argv);
}

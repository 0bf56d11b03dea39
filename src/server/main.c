/*
 * forebayd: the server's main program.
 */
int
main(void)
{
	return 0;
}

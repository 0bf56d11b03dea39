/*
 * forebayctl: talks to the admin listener.
 */
int
main(void)
{
	return 0;
}

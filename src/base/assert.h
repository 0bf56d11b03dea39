/*
 * ASSERT is for our own mistakes, never for input: it stays on in release
 * builds and ends the process with the place and the broken condition.
 */
#ifndef FOREBAY_BASE_ASSERT_H
#define FOREBAY_BASE_ASSERT_H

_Noreturn void assert_failed(const char *condition, const char *file, int line);

#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))

#endif

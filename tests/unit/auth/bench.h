/*
 * What the tests of authentication share: an arena that must be given back whole, a folder with a
 * file, and the keys and tokens of RFC 7515 appendix A and RFC 8037 appendix A.
 */
#ifndef FOREBAY_TESTS_AUTH_BENCH_H
#define FOREBAY_TESTS_AUTH_BENCH_H

#include "base/arena.h"
#include "base/err.h"
#include "config/errors.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

/* RFC 7515 A.1.1 */
#define HS256_KEY                                                                                  \
	"{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3"    \
	"Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}"
#define JOE                                                                                        \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
	"cnVlfQ"
#define HS256_TOKEN                                                                                \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE                                            \
	".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
/* RFC 7515 A.2.1 */
#define RS256_KEY                                                                                  \
	"{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQ" \
	"p-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wG" \
	"zjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4u" \
	"DZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9" \
	"gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}"
#define RS256_TOKEN                                                                                \
	"eyJhbGciOiJSUzI1NiJ9." JOE                                                                \
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8" \
	"W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvk" \
	"SjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCn" \
	"vWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
/* RFC 7515 A.3.1 */
#define ES256_KEY                                                                                  \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define ES256_TOKEN                                                                                \
	"eyJhbGciOiJFUzI1NiJ9." JOE                                                                \
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
/* RFC 8037 A.2, A.4 */
#define EDDSA_KEY                                                                                  \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" \
	"\"}"
#define EDDSA_TOKEN                                                                                \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09P" \
	"GcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static struct store store;
static struct arena arena;
static struct conf_errors errors;
static char path[64];

__attribute__((unused)) static void
set_up(void)
{
	store_init(&store);
	arena_init(&arena, &store, 1 << 24);
	conf_errors_init(&errors);
	memcpy(path, "/tmp/check_auth_XXXXXX", sizeof("/tmp/check_auth_XXXXXX"));
	close(mkstemp(path));
}

__attribute__((unused)) static void
tear_down(void)
{
	unlink(path);
	conf_errors_fini(&errors);
	arena_fini(&arena);
	store_fini(&store);
}

__attribute__((unused)) static void
write_file(struct slice text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text.at, text.len), (ssize_t)text.len);
	close(fd);
}

#endif

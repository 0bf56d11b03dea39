/*
 * The encoders of this build; see encoder.h.
 */
#include "compress/encoder_priv.h"

static const struct encoder_ops *const all[] = {
#ifdef HAVE_ZLIB
	&encoder_gzip,
#endif
#ifdef HAVE_BROTLI
	&encoder_br,
#endif
#ifdef HAVE_ZSTD
	&encoder_zstd,
#endif
	NULL,
};

const struct encoder_ops *
encoder_ops_of(enum coding c)
{
	unsigned i = 0;

	while (all[i] && all[i]->coding != c)
		i++;
	return all[i];
}

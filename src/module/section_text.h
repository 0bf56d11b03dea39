/*
 * A [module] section as text again, for the processes that read it themselves.
 */
#ifndef FOREBAY_MODULE_SECTION_TEXT_H
#define FOREBAY_MODULE_SECTION_TEXT_H

#include "base/buffer.h"
#include "config/conf.h"

/* As it was written: such a process has the variables that it names, and may expand ${...} itself.
 */
void section_text_put(struct buffer *b, const struct conf_section *s);

#endif

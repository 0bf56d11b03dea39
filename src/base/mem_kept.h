/*
 * Blocks that have a bound of their own, such as what a cache keeps: they count no more among
 * what requests take (mem_large_bytes), until they are taken back, which must be before they are
 * released. NULL is allowed. Any thread; see mem.h.
 */
#ifndef FOREBAY_BASE_MEM_KEPT_H
#define FOREBAY_BASE_MEM_KEPT_H

void mem_set_aside(void *block);
void mem_take_back(void *block);

#endif

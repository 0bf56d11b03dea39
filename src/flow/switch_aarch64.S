/*
 * The switch between stacks for AArch64 (AAPCS64 6.1: a function keeps x19 to
 * x29, sp, and the lower halves of v8 to v15; x30 is where it returns to). See
 * switch_x86_64.S.
 */
#ifdef __aarch64__

	.text

/* void switch_stacks(void **from, void *to) */
	.globl switch_stacks
	.hidden switch_stacks
	.type switch_stacks, %function
	.p2align 4
switch_stacks:
	.cfi_startproc
	sub sp, sp, #176
	.cfi_adjust_cfa_offset 176
	stp x19, x20, [sp, #0]
	stp x21, x22, [sp, #16]
	stp x23, x24, [sp, #32]
	stp x25, x26, [sp, #48]
	stp x27, x28, [sp, #64]
	stp x29, x30, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	.cfi_rel_offset x19, 0
	.cfi_rel_offset x20, 8
	.cfi_rel_offset x21, 16
	.cfi_rel_offset x22, 24
	.cfi_rel_offset x23, 32
	.cfi_rel_offset x24, 40
	.cfi_rel_offset x25, 48
	.cfi_rel_offset x26, 56
	.cfi_rel_offset x27, 64
	.cfi_rel_offset x28, 72
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88

	/* Both stacks look the same here, so that what was said above stays true. */
	mov x9, sp
	str x9, [x0]
	mov sp, x1

	ldp x19, x20, [sp, #0]
	ldp x21, x22, [sp, #16]
	ldp x23, x24, [sp, #32]
	ldp x25, x26, [sp, #48]
	ldp x27, x28, [sp, #64]
	ldp x29, x30, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	add sp, sp, #176
	.cfi_adjust_cfa_offset -176
	ret
	.cfi_endproc
	.size switch_stacks, . - switch_stacks

/* Where the first switch to a stack returns to: entry in x20, argument in x19. Nothing called it. */
	.globl switch_begin
	.hidden switch_begin
	.type switch_begin, %function
	.p2align 4
switch_begin:
	.cfi_startproc
	.cfi_undefined x30
	mov x0, x19
	blr x20
	brk #1
	.cfi_endproc
	.size switch_begin, . - switch_begin

#endif
	.section .note.GNU-stack, "", %progbits

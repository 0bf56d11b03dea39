/*
 * The switch between stacks for x86-64 (System V ABI 3.2.1, 3.2.3: a function
 * keeps rbx, rbp, r12 to r15, the control bits of mxcsr and the x87 control
 * word). The directives let debuggers and profilers walk through it, also when
 * they look in the middle.
 *
 * There is no note about shadow stacks here on purpose: a return to an address
 * that another stack has pushed is what they forbid, so that the linker marks
 * the program as one without.
 */
#ifdef __x86_64__

	.text

/* void switch_stacks(void **from, void *to) */
	.globl switch_stacks
	.hidden switch_stacks
	.type switch_stacks, @function
	.p2align 4
switch_stacks:
	.cfi_startproc
	pushq %rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq %r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq %r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq %r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq %r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr (%rsp)
	fnstcw 4(%rsp)

	/* Both stacks look the same here, so that what was said above stays true. */
	movq %rsp, (%rdi)
	movq %rsi, %rsp

	ldmxcsr (%rsp)
	fldcw 4(%rsp)
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq %r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq %r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq %r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq %rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq %rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size switch_stacks, . - switch_stacks

/* Where the first switch to a stack returns to: entry in r12, argument in rbx. Nothing called it. */
	.globl switch_begin
	.hidden switch_begin
	.type switch_begin, @function
	.p2align 4
switch_begin:
	.cfi_startproc
	.cfi_undefined %rip
	movq %rbx, %rdi
	call *%r12
	ud2
	.cfi_endproc
	.size switch_begin, . - switch_begin

#endif
	.section .note.GNU-stack, "", %progbits

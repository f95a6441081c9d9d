/** Opens libc on first use and turns C's conventions (NUL-ended text, errno) into ours. */
import { SysError } from "#base/errors.ts";
import {
  LIBC,
  SYSCALL_FSCONFIG,
  SYSCALL_NUMBERS,
  SYSCALL_OPENAT2,
  SYSCALL_TEXT_FIRST,
} from "./raw.ts";

const NAME = "libc.so.6";

let symbols: Deno.DynamicLibrary<typeof LIBC>["symbols"] | undefined;
let numbers: Deno.DynamicLibrary<typeof SYSCALL_NUMBERS>["symbols"] | undefined;
let textFirst: Deno.DynamicLibrary<typeof SYSCALL_TEXT_FIRST>["symbols"] | undefined;
let fsconfigs: Deno.DynamicLibrary<typeof SYSCALL_FSCONFIG>["symbols"] | undefined;
let openat2s: Deno.DynamicLibrary<typeof SYSCALL_OPENAT2>["symbols"] | undefined;
let errnoView: Deno.UnsafePointerView | undefined;

/** The functions of the table LIBC; opened once, never closed. */
export function libc() {
  return symbols ??= Deno.dlopen(NAME, LIBC).symbols;
}

/** syscall(2) with numbers only; several prototypes, because arguments are typed per library opened. */
export function syscallNumbers() {
  return (numbers ??= Deno.dlopen(NAME, SYSCALL_NUMBERS).symbols).syscall;
}

/** syscall(2) whose second argument is text: fsopen. */
export function syscallTextFirst() {
  return (textFirst ??= Deno.dlopen(NAME, SYSCALL_TEXT_FIRST).symbols).syscall;
}

/** syscall(2) for fsconfig(2) with a text as value. */
export function syscallFsconfig() {
  return (fsconfigs ??= Deno.dlopen(NAME, SYSCALL_FSCONFIG).symbols).syscall;
}

/** syscall(2) for openat2(2), which glibc does not wrap. */
export function syscallOpenat2() {
  return (openat2s ??= Deno.dlopen(NAME, SYSCALL_OPENAT2).symbols).syscall;
}

/** errno of the last synchronous call of this thread; read it on the very next line. */
export function lastErrno(): number {
  if (errnoView === undefined) {
    const pointer = libc().__errno_location();
    if (pointer === null) throw new Error("bug: no errno");
    errnoView = new Deno.UnsafePointerView(pointer);
  }
  return errnoView.getInt32();
}

const encoder = new TextEncoder();

/** Text with its NUL. @throws a bug if the text has a NUL inside. */
export function cstring(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new Error("bug: NUL byte in a C string");
  return encoder.encode(text + "\0");
}

/** The result, or SysError with errno if it is negative. */
export function check(result: number | bigint, call: string, subject = ""): number {
  if (result < 0) throw new SysError(call, lastErrno(), subject);
  return Number(result);
}

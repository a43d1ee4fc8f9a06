/**
 * The system calls that a sandboxed Python may make, a whitelist: with the number on x86-64, a slash, and that on arm64 where
 * it has the call (Linux's asm/unistd.h; a test compares them with the headers). What is not here does not exist in there:
 * no program is started and no network, namespace, mount, other process, key, tracing or module is reached, and memory that
 * the limits do not count (memfd, System V) is not given. `getrandom` is left out on purpose: Python then reads /dev/urandom,
 * which in the sandbox has the same bytes in every call.
 */
const ALLOWED = `
brk:12/214 mmap:9/222 munmap:11/215 mremap:25/216 mprotect:10/226 madvise:28/233 mincore:27/232 msync:26/227
membarrier:324/283

open:2 openat:257/56 creat:85 read:0/63 write:1/64 readv:19/65 writev:20/66 pread64:17/67 pwrite64:18/68 preadv:295/69
pwritev:296/70 preadv2:327/286 pwritev2:328/287 close:3/57 close_range:436/436 lseek:8/62 sendfile:40/71
copy_file_range:326/285 fadvise64:221/223 readahead:187/213

stat:4 fstat:5/80 lstat:6 newfstatat:262/79 statx:332/291 access:21 faccessat:269/48 faccessat2:439/439 readlink:89
readlinkat:267/78 getdents:78 getdents64:217/61 getcwd:79/17 chdir:80/49 fchdir:81/50 mkdir:83 mkdirat:258/34 rmdir:84
unlink:87 unlinkat:263/35 rename:82 renameat:264/38 renameat2:316/276 link:86 linkat:265/37 symlink:88 symlinkat:266/36
chmod:90 fchmod:91/52 fchmodat:268/53 umask:95/166 truncate:76/45 ftruncate:77/46 fallocate:285/47 fsync:74/82
fdatasync:75/83 sync_file_range:277/84 flock:73/32 fcntl:72/25 utime:132 utimes:235 utimensat:280/88 futimesat:261
statfs:137/43 fstatfs:138/44 getxattr:191/8 lgetxattr:192/9 fgetxattr:193/10 listxattr:194/11 llistxattr:195/12
flistxattr:196/13

dup:32/23 dup2:33 dup3:292/24 pipe:22 pipe2:293/59 select:23 pselect6:270/72 poll:7 ppoll:271/73 epoll_create:213
epoll_create1:291/20 epoll_ctl:233/21 epoll_wait:232 epoll_pwait:281/22 epoll_pwait2:441/441 eventfd:284 eventfd2:290/19
timerfd_create:283/85 timerfd_settime:286/86 timerfd_gettime:287/87

socketpair:53/199 sendto:44/206 recvfrom:45/207 shutdown:48/210 getsockname:51/204 getpeername:52/205 getsockopt:55/209
setsockopt:54/208

execve:59/221 exit:60/93 exit_group:231/94 wait4:61/260 waitid:247/95 getpid:39/172 getppid:110/173 gettid:186/178
getpgrp:111 getpgid:121/155 getsid:124/156 getuid:102/174 geteuid:107/175 getgid:104/176 getegid:108/177 getresuid:118/148
getresgid:120/150 getgroups:115/158 capget:125/90 uname:63/160 sysinfo:99/179 getrusage:98/165 times:100/153
arch_prctl:158 prlimit64:302/261 getrlimit:97/163 setrlimit:160/164 getpriority:140/141 getcpu:309/168

futex:202/98 set_robust_list:273/99 get_robust_list:274/100 set_tid_address:218/96 rseq:334/293 sched_yield:24/124
sched_getaffinity:204/123 sched_getparam:143/121 sched_getscheduler:145/120 sched_get_priority_max:146/125
sched_get_priority_min:147/126

rt_sigaction:13/134 rt_sigprocmask:14/135 rt_sigreturn:15/139 rt_sigpending:127/136 rt_sigtimedwait:128/137
rt_sigsuspend:130/133 sigaltstack:131/132 kill:62/129 tkill:200/130 tgkill:234/131 alarm:37 pause:34 setitimer:38/103
getitimer:36/102 restart_syscall:219/128

clock_gettime:228/113 clock_getres:229/114 clock_nanosleep:230/115 nanosleep:35/101 gettimeofday:96/169 time:201
timer_create:222/107 timer_settime:223/110 timer_gettime:224/108 timer_getoverrun:225/109 timer_delete:226/111`;

/** Calls that need a look at their arguments, or an errno that Python makes the right exception of. */
const OTHERS = 'clone:56/220 ioctl:16/29 socket:41/198 fork:57 vfork:58';

/** The processors whose numbers are known, by Node's name. */
export type Processor = 'x64' | 'arm64';

/** The numbers of the calls that may be made whatever their arguments, by name. */
export const allowed = (processor: Processor): ReadonlyMap<string, number> => read(ALLOWED, processor);

/** The numbers of those that seccomp.ts has rules for. */
export const others = (processor: Processor): ReadonlyMap<string, number> => read(OTHERS, processor);

function read(table: string, processor: Processor): ReadonlyMap<string, number> {
  const rows = table.trim().split(/\s+/);
  return new Map(
    rows.flatMap((row): [string, number][] => {
      const [, name, x64, arm64] = /^(\w+):(\d+)(?:\/(\d+))?$/.exec(row)!;
      const number = processor === 'x64' ? x64 : arm64;
      return number === undefined ? [] : [[name!, Number(number)]];
    }),
  );
}

"""C declarations of Linux that the data plane uses; nothing of ours.

The few static inline functions below are there because the kernel's interface is a macro or an
anonymous union, which Cython cannot name.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t, uint8_t

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <netinet/in.h>
    #include <netinet/udp.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/eventfd.h>
    #include <sys/mman.h>
    #include <sys/socket.h>
    #include <time.h>
    #include <unistd.h>

    #ifndef UDP_SEGMENT
    #define UDP_SEGMENT 103
    #endif
    #ifndef UDP_GRO
    #define UDP_GRO 104
    #endif
    #ifndef SOL_UDP
    #define SOL_UDP 17
    #endif

    /* A send control message of exactly one UDP_SEGMENT size; `control` is CMSG_SPACE(2) bytes. */
    static inline void atrium_set_segment(struct msghdr *msg, void *control, uint16_t size) {
        struct cmsghdr *head;
        msg->msg_control = control;
        msg->msg_controllen = CMSG_SPACE(sizeof(uint16_t));
        head = CMSG_FIRSTHDR(msg);
        head->cmsg_level = SOL_UDP;
        head->cmsg_type = UDP_SEGMENT;
        head->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(head), &size, sizeof size);
    }

    /* The segment size of a received train, or 0 for a single datagram. */
    static inline int atrium_get_segment(struct msghdr *msg) {
        struct cmsghdr *head;
        int size;
        for (head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head))
            if (head->cmsg_level == SOL_UDP && head->cmsg_type == UDP_GRO) {
                memcpy(&size, CMSG_DATA(head), sizeof size);
                return size;
            }
        return 0;
    }

    static inline uint64_t atrium_now_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }

    static inline uint64_t atrium_wall_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    }
    """
    int SOL_UDP, UDP_SEGMENT, UDP_GRO
    int EPOLLIN, EPOLL_CTL_ADD, EPOLL_CLOEXEC
    int EFD_CLOEXEC, EFD_NONBLOCK
    int AF_INET, AF_INET6
    int MSG_DONTWAIT, MSG_TRUNC
    int EAGAIN, EINTR, EINVAL, EIO, EOPNOTSUPP, EMSGSIZE, ENOBUFS, ECONNREFUSED
    int PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    void *MAP_FAILED

    ctypedef unsigned int socklen_t
    ctypedef long ssize_t

    cdef struct iovec:
        void *iov_base
        size_t iov_len

    cdef struct msghdr:
        void *msg_name
        socklen_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags

    cdef struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len

    cdef union epoll_data_t:
        void *ptr
        int fd
        uint32_t u32
        uint64_t u64

    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data

    cdef struct timespec:
        long tv_sec
        long tv_nsec

    cdef struct in_addr:
        uint32_t s_addr

    cdef struct in6_addr:
        uint8_t s6_addr[16]

    cdef struct sockaddr:
        uint16_t sa_family

    cdef struct sockaddr_in:
        uint16_t sin_family
        uint16_t sin_port
        in_addr sin_addr

    cdef struct sockaddr_in6:
        uint16_t sin6_family
        uint16_t sin6_port
        uint32_t sin6_flowinfo
        in6_addr sin6_addr
        uint32_t sin6_scope_id

    cdef struct sockaddr_storage:
        uint16_t ss_family

    int recvmmsg(int fd, mmsghdr *messages, unsigned int count, int flags, timespec *timeout) nogil
    int sendmmsg(int fd, mmsghdr *messages, unsigned int count, int flags) nogil
    ssize_t sendmsg(int fd, msghdr *message, int flags) nogil
    ssize_t recvmsg(int fd, msghdr *message, int flags) nogil
    ssize_t sendto(int fd, void *data, size_t size, int flags, sockaddr *to, socklen_t length) nogil
    ssize_t recvfrom(int fd, void *data, size_t size, int flags, sockaddr *address, socklen_t *length) nogil
    int setsockopt(int fd, int level, int name, void *value, socklen_t length) nogil
    int epoll_create1(int flags) nogil
    int epoll_ctl(int fd, int op, int target, epoll_event *event) nogil
    int epoll_wait(int fd, epoll_event *events, int count, int timeout_ms) nogil
    int eventfd(unsigned int start, int flags) nogil
    ssize_t read(int fd, void *data, size_t size) nogil
    ssize_t write(int fd, void *data, size_t size) nogil
    int close(int fd) nogil
    int usleep(unsigned int us) nogil
    void *mmap(void *address, size_t size, int protection, int flags, int fd, long offset) nogil
    int munmap(void *address, size_t size) nogil

    void set_segment "atrium_set_segment"(msghdr *message, void *control, uint16_t size) noexcept nogil
    int get_segment "atrium_get_segment"(msghdr *message) noexcept nogil
    uint64_t now_ns "atrium_now_ns"() noexcept nogil
    uint64_t wall_ns "atrium_wall_ns"() noexcept nogil

cdef extern from "<errno.h>":
    int errno

# Atomics of the compiler (GCC and Clang): the data plane shares words between two threads at most.
cdef extern from *:
    """
    #define atrium_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define atrium_peek(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    #define atrium_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
    #define atrium_exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
    #define atrium_add(p, v) __atomic_add_fetch((p), (v), __ATOMIC_ACQ_REL)
    #define atrium_sub(p, v) __atomic_sub_fetch((p), (v), __ATOMIC_ACQ_REL)
    #define atrium_cas(p, expected, v) \
        __atomic_compare_exchange_n((p), (expected), (v), 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
    #define atrium_prefetch(p) __builtin_prefetch(p)
    """
    uint64_t load_u64 "atrium_load"(uint64_t *p) noexcept nogil
    uint64_t peek_u64 "atrium_peek"(uint64_t *p) noexcept nogil
    void store_u64 "atrium_store"(uint64_t *p, uint64_t v) noexcept nogil
    uint32_t load_u32 "atrium_load"(uint32_t *p) noexcept nogil
    void store_u32 "atrium_store"(uint32_t *p, uint32_t v) noexcept nogil
    uint32_t exchange_u32 "atrium_exchange"(uint32_t *p, uint32_t v) noexcept nogil
    int32_t add_i32 "atrium_add"(int32_t *p, int32_t v) noexcept nogil
    int32_t sub_i32 "atrium_sub"(int32_t *p, int32_t v) noexcept nogil
    void *exchange_ptr "atrium_exchange"(void **p, void *v) noexcept nogil
    void *load_ptr "atrium_load"(void **p) noexcept nogil
    int cas_ptr "atrium_cas"(void **p, void **expected, void *v) noexcept nogil
    void prefetch "atrium_prefetch"(void *p) noexcept nogil

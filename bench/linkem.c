/* linkem: links that are as bad as asked for, between network namespaces. It needs root and no kernel modules.
 *
 *   client 1 --[tun le0 10.99.0.2]--\
 *   client 2 --[tun le0 10.99.0.3]-- linkem --[tun le0 10.99.0.1]-- server
 *   ...                             /
 *
 * Every IPv4 packet that crosses is really sent by one kernel and received by another, so any program can
 * be measured over it, TCP ones included. Packets cross one at a time: the tun devices take no GSO trains.
 *
 * "Up" is from the clients to the server. In each direction all clients share one pipe, or have one each
 * (--own-links). A packet goes through it in this order:
 *
 *   blackout -> random or bursty loss -> corruption -> duplication -> rate, with a queue that drops its tail
 *            -> delay + the client's own delay + jitter, which reorders
 *
 * This file owns the link and nothing else: who talks over it, and what is measured, is links.py's business.
 *
 * With --trace a line is written every 50 ms: time, bytes queued and dropped packets of each pipe, bytes
 * delivered of each client.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { UP, DOWN, CLIENTS_MAX = 240, PACKET_MAX = 65536, READS_MAX = 64 };
#define SECOND 1000000000ull
#define MS 1000000ull
#define TRACE_EVERY (50 * MS)

/* --- What is asked for ---------------------------------------------------------------------------------- */

static double rate_bps[2], other_bps[2], loss[2], burst_mean[2] = {1, 1}, corrupt[2], duplicate[2];
static uint64_t alternate_ns, delay_ns, jitter_ns, extra_ns[CLIENTS_MAX];
static uint64_t black_start_ns, black_length_ns, black_period_ns;
static uint64_t queue_bytes_max[2], queue_packets_max[2];
static int clients, own_links, mtu = 1500;
static FILE *trace;

/* --- Pipes: one direction of one link ------------------------------------------------------------------- */

typedef struct { uint64_t gone_ns; uint32_t bytes; } Queued;

typedef struct {
    uint64_t free_ns;                      /* when the last packet that was let in has been sent */
    Queued *queue; size_t first, count, room; /* what is not sent yet, a ring; room is a power of two */
    uint64_t queued_bytes;
    int in_burst;
    uint64_t seen, lost, tail_dropped, corrupted, duplicated;
} Pipe;

static Pipe pipes[CLIENTS_MAX][2];
static uint64_t delivered_bytes[CLIENTS_MAX][2], started_ns;
static volatile sig_atomic_t stop;

static uint64_t random_state = 88172645463325252ull;
static double dice(void) { /* xorshift64, in [0, 1) */
    random_state ^= random_state << 13; random_state ^= random_state >> 7; random_state ^= random_state << 17;
    return (double)(random_state >> 11) * (1.0 / 9007199254740992.0);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* When so many bytes have been sent, if that begins at start; the rate may change meanwhile. */
static uint64_t sent_at(int way, uint64_t start, int bytes) {
    double bits = bytes * 8.0;
    if (!alternate_ns) return start + (uint64_t)(bits * 1e9 / rate_bps[way]);
    for (;;) {
        uint64_t turn = (start - started_ns) / alternate_ns, turn_ends = started_ns + (turn + 1) * alternate_ns;
        double rate = turn % 2 ? other_bps[way] : rate_bps[way], needed_ns = bits * 1e9 / rate;
        if (start + (uint64_t)needed_ns <= turn_ends) return start + (uint64_t)needed_ns;
        bits -= (double)(turn_ends - start) * rate / 1e9;
        start = turn_ends;
    }
}

static void forget_sent(Pipe *pipe, uint64_t now) {
    while (pipe->count && pipe->queue[pipe->first].gone_ns <= now) {
        pipe->queued_bytes -= pipe->queue[pipe->first].bytes;
        pipe->first = (pipe->first + 1) & (pipe->room - 1);
        pipe->count--;
    }
}

/* Let a packet into the queue; returns when it has been sent, or 0 if the queue is full. */
static uint64_t enqueue(Pipe *pipe, int way, uint64_t now, int bytes) {
    if (rate_bps[way] <= 0) return now;
    forget_sent(pipe, now);
    if (queue_bytes_max[way] && pipe->queued_bytes + (uint64_t)bytes > queue_bytes_max[way] && pipe->count) return 0;
    if (queue_packets_max[way] && pipe->count >= queue_packets_max[way]) return 0;
    if (pipe->count == pipe->room) {
        size_t room = pipe->room ? pipe->room * 2 : 1024;
        Queued *larger = malloc(room * sizeof *larger);
        for (size_t i = 0; i < pipe->count; i++) larger[i] = pipe->queue[(pipe->first + i) & (pipe->room - 1)];
        free(pipe->queue);
        pipe->queue = larger; pipe->room = room; pipe->first = 0;
    }
    pipe->free_ns = sent_at(way, pipe->free_ns > now ? pipe->free_ns : now, bytes);
    pipe->queue[(pipe->first + pipe->count++) & (pipe->room - 1)] = (Queued){pipe->free_ns, (uint32_t)bytes};
    pipe->queued_bytes += (uint64_t)bytes;
    return pipe->free_ns;
}

static int is_black(uint64_t now) {
    if (!black_length_ns) return 0;
    uint64_t age = now - started_ns;
    if (age < black_start_ns) return 0;
    age -= black_start_ns;
    if (black_period_ns) age %= black_period_ns;
    return age < black_length_ns;
}

static int is_lost(Pipe *pipe, int way) {
    if (loss[way] <= 0) return 0;
    if (burst_mean[way] <= 1) return dice() < loss[way];
    /* Gilbert-Elliott: a burst is left with 1/mean, and entered so that the mean loss holds. */
    if (pipe->in_burst) { if (dice() < 1 / burst_mean[way]) pipe->in_burst = 0; }
    else if (dice() < loss[way] / (1 - loss[way]) / burst_mean[way]) pipe->in_burst = 1;
    return pipe->in_burst;
}

/* Flip one bit of a UDP payload, and mend the checksum by the same difference: only the program can tell. */
static void damage(uint8_t *p, int bytes) {
    int head = (p[0] & 15) * 4, payload = head + 8;
    if (p[9] != 17 || ((p[6] & 0x1f) << 8 | p[7]) || bytes <= payload) return;
    int at = payload + (int)(dice() * (bytes - payload)), word = head + ((at - head) & ~1);
    uint16_t before = (uint16_t)(p[word] << 8 | (word + 1 < bytes ? p[word + 1] : 0));
    p[at] ^= (uint8_t)(1 << (int)(dice() * 8));
    uint16_t after = (uint16_t)(p[word] << 8 | (word + 1 < bytes ? p[word + 1] : 0));
    uint16_t sum = (uint16_t)(p[head + 6] << 8 | p[head + 7]);
    if (!sum) return; /* it has none */
    uint32_t mended = (uint32_t)(uint16_t)~sum + (uint16_t)~before + after; /* RFC 1624 */
    mended = (mended & 0xffff) + (mended >> 16); mended = (mended & 0xffff) + (mended >> 16);
    sum = (uint16_t)~mended;
    if (!sum) sum = 0xffff;
    p[head + 6] = (uint8_t)(sum >> 8); p[head + 7] = (uint8_t)sum;
}

/* --- Packets on their way: a heap by time, then by order; buffers are used again -------------------------- */

typedef struct Buffer { struct Buffer *next; uint8_t bytes[]; } Buffer;
typedef struct { uint64_t due_ns, order; int bytes, way, client; Buffer *buffer; } Packet;

static Packet *heap;
static size_t packets, heap_room;
static uint64_t order;
static Buffer *spare;

static int before(const Packet *a, const Packet *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void push(Packet packet) {
    if (packets == heap_room) heap = realloc(heap, (heap_room = heap_room ? heap_room * 2 : 4096) * sizeof *heap);
    size_t i = packets++;
    while (i && before(&packet, &heap[(i - 1) / 2])) { heap[i] = heap[(i - 1) / 2]; i = (i - 1) / 2; }
    heap[i] = packet;
}

static Packet pop(void) {
    Packet top = heap[0], last = heap[--packets];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= packets) break;
        if (child + 1 < packets && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &last)) break;
        heap[i] = heap[child]; i = child;
    }
    if (packets) heap[i] = last;
    return top;
}

static Buffer *take_buffer(void) {
    Buffer *buffer = spare;
    if (buffer) { spare = buffer->next; return buffer; }
    return malloc(sizeof *buffer + (size_t)mtu);
}

static void give_back(Buffer *buffer) { buffer->next = spare; spare = buffer; }

static void cross(int client, int way, const uint8_t *bytes, int length, uint64_t now) {
    if (length < 20 || bytes[0] >> 4 != 4 || length > mtu) return;
    if (!started_ns) started_ns = now; /* schedules begin with the first packet */
    Pipe *pipe = &pipes[own_links ? client : 0][way];
    pipe->seen++;
    if (is_black(now) || is_lost(pipe, way)) { pipe->lost++; return; }
    int copies = 1;
    if (duplicate[way] > 0 && dice() < duplicate[way]) { copies = 2; pipe->duplicated++; }
    while (copies--) {
        uint64_t sent = enqueue(pipe, way, now, length);
        if (!sent) { pipe->tail_dropped++; continue; }
        uint64_t due = sent + delay_ns + extra_ns[client] + (jitter_ns ? (uint64_t)(dice() * (double)jitter_ns) : 0);
        Packet packet = {due, order++, length, way, client, take_buffer()};
        memcpy(packet.buffer->bytes, bytes, (size_t)length);
        if (corrupt[way] > 0 && dice() < corrupt[way]) { damage(packet.buffer->bytes, length); pipe->corrupted++; }
        push(packet);
    }
}

/* --- Namespaces ----------------------------------------------------------------------------------------- */

static int open_namespace(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) { fprintf(stderr, "linkem: %s: %s\n", path, strerror(errno)); exit(1); }
    return fd;
}

static void enter(int fd) {
    if (setns(fd, CLONE_NEWNET)) { fprintf(stderr, "linkem: setns: %s\n", strerror(errno)); exit(1); }
    close(fd);
}

/* A tun device in a namespace that links.py has made. */
static int open_tun(const char *namespace, int host) {
    char path[256], command[512];
    snprintf(path, sizeof path, "/var/run/netns/%s", namespace);
    int home = open_namespace("/proc/self/ns/net");
    enter(open_namespace(path));
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {0};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strcpy(request.ifr_name, "le0");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) { fprintf(stderr, "linkem: tun: %s\n", strerror(errno)); exit(1); }
    snprintf(command, sizeof command,
             "ip link set lo up && ip addr add 10.99.0.%d/24 dev le0 && ip link set le0 mtu %d txqueuelen 10000 up",
             host, mtu);
    if (system(command)) { fprintf(stderr, "linkem: failed: %s\n", command); exit(1); }
    enter(home);
    return fd;
}

/* --- The life of a link --------------------------------------------------------------------------------- */

static void on_stop(int number) { (void)number; stop = 1; }

static void write_trace(uint64_t now) {
    fprintf(trace, "%.3f", (double)(now - started_ns) / 1e6);
    for (int i = 0; i < (own_links ? clients : 1); i++)
        for (int way = UP; way <= DOWN; way++) {
            Pipe *pipe = &pipes[i][way];
            forget_sent(pipe, now);
            fprintf(trace, ",%lu,%lu", pipe->queued_bytes, pipe->tail_dropped);
        }
    for (int i = 0; i < clients; i++)
        fprintf(trace, ",%lu,%lu", delivered_bytes[i][UP], delivered_bytes[i][DOWN]);
    fprintf(trace, "\n");
}

static void write_trace_head(void) {
    fprintf(trace, "ms");
    for (int i = 0; i < (own_links ? clients : 1); i++)
        fprintf(trace, ",up_queued_%d,up_dropped_%d,down_queued_%d,down_dropped_%d", i, i, i, i);
    for (int i = 0; i < clients; i++) fprintf(trace, ",up_bytes_%d,down_bytes_%d", i, i);
    fprintf(trace, "\n");
}

static void report(void) {
    for (int way = UP; way <= DOWN; way++) {
        Pipe sum = {0};
        uint64_t bytes = 0;
        for (int i = 0; i < clients; i++) {
            Pipe *pipe = &pipes[i][way];
            sum.seen += pipe->seen; sum.lost += pipe->lost; sum.tail_dropped += pipe->tail_dropped;
            sum.corrupted += pipe->corrupted; sum.duplicated += pipe->duplicated;
            bytes += delivered_bytes[i][way];
        }
        printf("{\"way\": \"%s\", \"packets\": %lu, \"lost\": %lu, \"tail_dropped\": %lu, \"corrupted\": %lu, "
               "\"duplicated\": %lu, \"delivered_bytes\": %lu}\n",
               way == UP ? "up" : "down", sum.seen, sum.lost, sum.tail_dropped, sum.corrupted, sum.duplicated, bytes);
    }
}

static void run(int server_fd, int *client_fds) {
    static uint8_t bytes[PACKET_MAX];
    static struct pollfd watched[CLIENTS_MAX + 1];
    uint64_t trace_due = 0;
    for (int i = 0; i <= clients; i++)
        watched[i] = (struct pollfd){i < clients ? client_fds[i] : server_fd, POLLIN, 0};
    while (!stop) {
        uint64_t now = now_ns();
        while (packets && heap[0].due_ns <= now) {
            Packet packet = pop();
            int fd = packet.way == UP ? server_fd : client_fds[packet.client];
            if (write(fd, packet.buffer->bytes, (size_t)packet.bytes) == packet.bytes)
                delivered_bytes[packet.client][packet.way] += (uint64_t)packet.bytes;
            give_back(packet.buffer);
        }
        if (trace && started_ns && now >= trace_due) { write_trace(now); trace_due = now + TRACE_EVERY; }
        uint64_t wait = trace ? TRACE_EVERY : SECOND;
        if (packets) {
            now = now_ns();
            uint64_t due = heap[0].due_ns > now ? heap[0].due_ns - now : 0;
            if (due < wait) wait = due;
        }
        struct timespec timeout = {(time_t)(wait / SECOND), (long)(wait % SECOND)};
        if (ppoll(watched, (nfds_t)clients + 1, &timeout, NULL) < 0 && errno != EINTR) break;
        now = now_ns();
        for (int i = 0; i <= clients; i++) {
            if (!(watched[i].revents & POLLIN)) continue;
            for (int reads = 0; reads < READS_MAX; reads++) {
                ssize_t length = read(watched[i].fd, bytes, sizeof bytes);
                if (length <= 0) break;
                int client = i < clients ? i : bytes[19] - 2; /* 10.99.0.2 is the first client */
                if (client >= 0 && client < clients) cross(client, i < clients ? UP : DOWN, bytes, (int)length, now);
            }
        }
    }
}

/* --- Arguments ------------------------------------------------------------------------------------------ */

static void set_both(const char *name, const char *option, double *values, double value) {
    if (!strcmp(option, name)) values[UP] = values[DOWN] = value;
    else if (!strncmp(option, "up-", 3) && !strcmp(option + 3, name)) values[UP] = value;
    else if (!strncmp(option, "down-", 5) && !strcmp(option + 5, name)) values[DOWN] = value;
}

static int is_way_option(const char *option) {
    static const char *const names[] = {"rate", "other-rate", "loss", "burst", "corrupt", "duplicate", "queue-bytes",
                                        "queue-packets"};
    if (!strncmp(option, "up-", 3)) option += 3;
    else if (!strncmp(option, "down-", 5)) option += 5;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) if (!strcmp(option, names[i])) return 1;
    return 0;
}

static void take_way_option(const char *option, double value) {
    double bytes_max[2] = {(double)queue_bytes_max[UP], (double)queue_bytes_max[DOWN]};
    double packets_max[2] = {(double)queue_packets_max[UP], (double)queue_packets_max[DOWN]};
    set_both("rate", option, rate_bps, value * 1e6);
    set_both("other-rate", option, other_bps, value * 1e6);
    set_both("loss", option, loss, value / 100);
    set_both("burst", option, burst_mean, value);
    set_both("corrupt", option, corrupt, value / 100);
    set_both("duplicate", option, duplicate, value / 100);
    set_both("queue-bytes", option, bytes_max, value);
    set_both("queue-packets", option, packets_max, value);
    for (int way = UP; way <= DOWN; way++) {
        queue_bytes_max[way] = (uint64_t)bytes_max[way];
        queue_packets_max[way] = (uint64_t)packets_max[way];
    }
}

static void take_list(uint64_t *values, const char *text) {
    for (int i = 0; i < CLIENTS_MAX && *text; i++) {
        char *end;
        values[i] = (uint64_t)(strtod(text, &end) * MS);
        text = *end ? end + 1 : end;
    }
}

static int usage(void) {
    fprintf(stderr,
            "usage: linkem SERVER_NS CLIENT_NS... [--NAME VALUE]...\n"
            "  --rate --other-rate MBIT, --loss --corrupt --duplicate PCT, --burst MEAN, --queue-bytes N,\n"
            "  --queue-packets N: each also as --up-NAME and --down-NAME for one direction\n"
            "  --delay MS (one way), --extra-delay MS,MS,... (of each client), --jitter MS, --mtu BYTES,\n"
            "  --alternate S (rate and other rate in turn), --blackout START_S:LENGTH_S[:PERIOD_S],\n"
            "  --own-links 0|1, --seed N, --trace FILE\n");
    return 2;
}

static int take_option(const char *option, const char *value) {
    if (is_way_option(option)) take_way_option(option, atof(value));
    else if (!strcmp(option, "delay")) delay_ns = (uint64_t)(atof(value) * MS);
    else if (!strcmp(option, "extra-delay")) take_list(extra_ns, value);
    else if (!strcmp(option, "jitter")) jitter_ns = (uint64_t)(atof(value) * MS);
    else if (!strcmp(option, "mtu")) mtu = atoi(value);
    else if (!strcmp(option, "alternate")) alternate_ns = (uint64_t)(atof(value) * SECOND);
    else if (!strcmp(option, "own-links")) own_links = atoi(value);
    else if (!strcmp(option, "seed")) random_state ^= (uint64_t)atoll(value) * 0x9E3779B97F4A7C15ull;
    else if (!strcmp(option, "trace")) { if (!(trace = fopen(value, "w"))) { perror("linkem: trace"); exit(1); } setvbuf(trace, NULL, _IOLBF, 0); }
    else if (!strcmp(option, "blackout")) {
        double start = 0, length = 0, period = 0;
        sscanf(value, "%lf:%lf:%lf", &start, &length, &period);
        black_start_ns = (uint64_t)(start * SECOND);
        black_length_ns = (uint64_t)(length * SECOND);
        black_period_ns = (uint64_t)(period * SECOND);
    } else return 0;
    return 1;
}

int main(int count, char **arguments) {
    int first = 1;
    while (first < count && strncmp(arguments[first], "--", 2)) first++;
    clients = first - 2;
    if (clients < 1 || clients > CLIENTS_MAX || (count - first) % 2) return usage();
    for (int i = first; i < count; i += 2)
        if (!take_option(arguments[i] + 2, arguments[i + 1])) {
            fprintf(stderr, "linkem: there is no option %s\n", arguments[i]);
            return usage();
        }
    for (int i = 0; i < 16; i++) dice();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    if (setpriority(PRIO_PROCESS, 0, -20)) fprintf(stderr, "linkem: no priority; a busy machine will add delay\n");
    static int client_fds[CLIENTS_MAX];
    int server_fd = open_tun(arguments[1], 1);
    for (int i = 0; i < clients; i++) client_fds[i] = open_tun(arguments[2 + i], 2 + i);
    signal(SIGTERM, on_stop);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for who started this; it sends SIGTERM */
    if (trace) write_trace_head();
    printf("ready\n");
    fflush(stdout);
    run(server_fd, client_fds);
    report();
    return 0;
}

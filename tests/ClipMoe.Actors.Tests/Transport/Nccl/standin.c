// A stand-in for libnccl.so.2 and libcuda.so.1, for tests without a GPU: its GPUs are threads of one process, whose memory is theirs. Signatures and
// values are those of nccl.h (2.14 on) and cuda.h. As in a non-blocking communicator nothing waits, and transfers happen when the stream is asked.
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE_ERROR = 6, IN_PROGRESS = 7 };
enum { INVALID_CONTEXT = 201, NOT_READY = 600, LAUNCH_FAILED = 719, GPUS = 8, GROUPS = 256 };

typedef struct { char internal[128]; } ncclUniqueId;
typedef struct { size_t size; unsigned magic, version; int blocking; } ncclConfig_t;
struct message { struct message *next; int group, from, to; size_t length; char bytes[]; };
struct transfer { struct transfer *next; int sends, peer, group, rank; char *memory; size_t length; };
struct stream { struct transfer *transfers; };
struct comm { int group, world, rank, busy; struct transfer *queued; struct stream *stream; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct message *messages;
static int groups, joined[GROUPS], alive;
static char failing[64], last_error[128];
static __thread int depth;
static __thread struct comm *grouped;
static __thread void *context;

// What streams, communicators and pieces of memory there are.
int standin_alive(void) { return alive; }

// The function that fails from now on; "asynchronously": a communicator, after a call that went well.
void standin_fail(const char *name) { snprintf(failing, sizeof failing, "%s", name); }

static int fails(const char *name) {
  if (strcmp(failing, name)) return 0;
  snprintf(last_error, sizeof last_error, "%s: Connection refused\n", name);
  return 1;
}

int ncclGetVersion(int *version) { *version = 22703; return SUCCESS; }
const char *ncclGetErrorString(int code) { return code == SYSTEM_ERROR ? "unhandled system error" : "another error"; }
const char *ncclGetLastError(void *comm) { return last_error; }

int ncclGetUniqueId(ncclUniqueId *id) {
  if (fails("ncclGetUniqueId")) return SYSTEM_ERROR;
  for (int i = 0; i < 128; i++) id->internal[i] = (char)(i * 7);
  pthread_mutex_lock(&lock);
  id->internal[0] = (char)groups++;
  pthread_mutex_unlock(&lock);
  return SUCCESS;
}

int ncclCommInitRankConfig(struct comm **comm, int world, ncclUniqueId id, int rank, ncclConfig_t *config) {
  if (fails("ncclCommInitRankConfig")) return SYSTEM_ERROR;
  if (!context || config->size != 24 || config->magic != 0xcafebeef || config->version < 21400 || config->blocking != 0) return INVALID_ARGUMENT;
  for (int i = 1; i < 128; i++) if (id.internal[i] != (char)(i * 7)) return INVALID_ARGUMENT;
  struct comm *made = calloc(1, sizeof *made);
  made->group = (unsigned char)id.internal[0];
  made->world = world;
  made->rank = rank;
  pthread_mutex_lock(&lock);
  alive++;
  joined[made->group]++;
  pthread_mutex_unlock(&lock);
  *comm = made;
  return IN_PROGRESS;
}

int ncclCommGetAsyncError(struct comm *comm, int *state) {
  pthread_mutex_lock(&lock);
  *state = joined[comm->group] < comm->world || comm->busy ? IN_PROGRESS : SUCCESS;
  if (comm->busy && !--comm->busy) {
    struct transfer **end = &comm->stream->transfers;
    while (*end) end = &(*end)->next;
    *end = comm->queued;
    comm->queued = NULL;
  }
  pthread_mutex_unlock(&lock);
  if (fails("asynchronously")) *state = REMOTE_ERROR;
  return SUCCESS;
}

int ncclCommAbort(struct comm *comm) {
  pthread_mutex_lock(&lock);
  alive--;
  if (comm->stream) comm->stream->transfers = NULL;
  pthread_mutex_unlock(&lock);
  free(comm);
  return SUCCESS;
}

int ncclGroupStart(void) { depth++; return SUCCESS; }

int ncclGroupEnd(void) {
  if (depth-- != 1 || !grouped) { depth = 0; return INVALID_USAGE; }
  grouped->busy = 2;
  grouped = NULL;
  return IN_PROGRESS;
}

static int enqueue(const char *name, int sends, void *memory, size_t count, int type, int peer, struct comm *comm, struct stream *stream) {
  if (fails(name)) return SYSTEM_ERROR;
  if (depth != 1 || type != 1 || peer < 0 || peer >= comm->world || comm->busy) return INVALID_ARGUMENT;
  struct transfer *made = calloc(1, sizeof *made), **end = &comm->queued;
  *made = (struct transfer){ NULL, sends, peer, comm->group, comm->rank, memory, count };
  while (*end) end = &(*end)->next;
  *end = made;
  comm->stream = stream;
  grouped = comm;
  return SUCCESS;
}

int ncclSend(const void *memory, size_t count, int type, int peer, struct comm *comm, struct stream *stream) {
  return enqueue("ncclSend", 1, (void *)memory, count, type, peer, comm, stream);
}

int ncclRecv(void *memory, size_t count, int type, int peer, struct comm *comm, struct stream *stream) {
  return enqueue("ncclRecv", 0, memory, count, type, peer, comm, stream);
}

// Whether a transfer is done, which for one that receives takes a message; what comes from one peer keeps its order.
static int advance(struct transfer *t, int *code) {
  struct message **at = &messages;
  if (t->sends) {
    struct message *made = malloc(sizeof *made + t->length);
    *made = (struct message){ NULL, t->group, t->rank, t->peer, t->length };
    memcpy(made->bytes, t->memory, t->length);
    while (*at) at = &(*at)->next;
    *at = made;
    return 1;
  }
  while (*at && ((*at)->group != t->group || (*at)->from != t->peer || (*at)->to != t->rank)) at = &(*at)->next;
  struct message *found = *at;
  if (!found) return 0;
  if (found->length != t->length) { *code = LAUNCH_FAILED; return 0; }
  memcpy(t->memory, found->bytes, t->length);
  *at = found->next;
  free(found);
  return 1;
}

int cuStreamQuery(struct stream *stream) {
  int code = SUCCESS, blocked[GPUS] = { 0 };
  pthread_mutex_lock(&lock);
  for (struct transfer **at = &stream->transfers; *at && code == SUCCESS;) {
    struct transfer *t = *at;
    if ((t->sends || !blocked[t->peer]) && advance(t, &code)) { *at = t->next; free(t); continue; }
    blocked[t->peer] = 1;
    at = &t->next;
  }
  if (code == SUCCESS && stream->transfers) code = NOT_READY;
  pthread_mutex_unlock(&lock);
  return code;
}

static int count(void **made, size_t size) {
  if (!context) return INVALID_CONTEXT;
  *made = calloc(1, size);
  pthread_mutex_lock(&lock);
  alive++;
  pthread_mutex_unlock(&lock);
  return SUCCESS;
}

static int discount(void *made) {
  free(made);
  pthread_mutex_lock(&lock);
  alive--;
  pthread_mutex_unlock(&lock);
  return SUCCESS;
}

int cuInit(unsigned flags) { return fails("cuInit") ? 100 : SUCCESS; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal < GPUS ? SUCCESS : 101; }
int cuDeviceGetUuid(char *uuid, int device) { memset(uuid, 0xa0 + device, 16); return SUCCESS; }
int cuDevicePrimaryCtxRetain(void **made, int device) { *made = (void *)(size_t)(device + 1); return SUCCESS; }
int cuCtxPushCurrent_v2(void *pushed) { context = pushed; return SUCCESS; }
int cuCtxPopCurrent_v2(void **popped) { *popped = context; context = NULL; return SUCCESS; }
int cuStreamCreate(void **stream, unsigned flags) { return flags == 1 ? count(stream, sizeof(struct stream)) : 1; }
int cuStreamDestroy_v2(void *stream) { return discount(stream); }
int cuStreamSynchronize(struct stream *stream) { return stream->transfers ? LAUNCH_FAILED : SUCCESS; }
int cuMemAlloc_v2(void **memory, size_t size) { return fails("cuMemAlloc") ? 2 : count(memory, size); }
int cuMemFree_v2(void *memory) { return discount(memory); }
int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t size, void *stream) { memcpy(to, from, size); return SUCCESS; }
int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t size, void *stream) { memcpy(to, from, size); return SUCCESS; }
int cuGetErrorString(int code, const char **text) { *text = code == 2 ? "out of memory" : "no CUDA-capable device is detected"; return SUCCESS; }

#include "python/worker_program.h"

namespace weir::python {

const char kWorkerProgram[] = R"python(
import ctypes, gc, io, json, os, select, signal, socket, struct, sys, time

control = socket.socket(fileno=3)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)


def answer(words):
    control.send(json.dumps(words).encode())


try:
    import pyspark
    import pyspark.worker
    from pyspark.worker import main as worker_main
except BaseException as e:
    answer({"error": "%s: %s" % (type(e).__name__, e)})
    os._exit(1)
for name in ("numpy", "pandas", "pyarrow", "pyarrow.compute", "pyspark.sql.types",
             "pyspark.sql.pandas.serializers", "pyspark.sql.pandas.types",
             "pyspark.sql.conversion", "pyspark.cloudpickle"):
    try:
        __import__(name)
    except Exception:
        pass  # a function that needs it says so itself
gc.collect()
gc.freeze()
root = os.path.dirname(os.path.abspath(pyspark.__file__))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
template = os.getpid()
alive, ended = set(), {}
wake_read, wake_write = os.pipe()
os.set_blocking(wake_read, False)
os.set_blocking(wake_write, False)
signal.signal(signal.SIGCHLD, lambda *_: None)
signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)


def drop_rights(uid):
    if uid >= 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def limit(which, value):
    import resource

    soft, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def text(of):
    return struct.pack(">i", len(of.encode())) + of.encode()


def for_each_batch(sock, words):
    os.environ["SPARK_CONNECT_LOCAL_URL"] = words["url"]
    from pyspark.sql.connect.streaming.worker import foreach_batch_worker
    from pyspark.worker_util import setup_spark_files

    if words["folder"]:  # as main() of workers of functions does it
        includes = words["includes"]
        setup_spark_files(io.BytesIO(text(words["folder"]) + struct.pack(">i", len(includes))
                                     + b"".join(map(text, includes))))
    infile = os.fdopen(os.dup(sock.fileno()), "rb", 65536)
    outfile = os.fdopen(os.dup(sock.fileno()), "wb", 65536)
    foreach_batch_worker.main(infile, outfile)
    sys.stdout.flush()
    os._exit(0)


def work(sock, words):
    """A worker from here on: it never comes back."""
    import resource

    signal.set_wakeup_fd(-1)
    for one in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(one, signal.SIG_DFL)
    os.setsid()
    control.close()
    os.close(wake_read)
    os.close(wake_write)
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    os.close(devnull)
    os.dup2(2, 1)
    os.chdir("/")
    os.umask(0o077)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, words["files"])
    drop_rights(words["uid"])
    if words["memory"] > 0:
        limit(resource.RLIMIT_DATA, words["memory"])
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != template:
        os._exit(0)
    if "batches" in words:
        return for_each_batch(sock, words["batches"])
    infile = os.fdopen(os.dup(sock.fileno()), "rb", 65536)
    outfile = os.fdopen(os.dup(sock.fileno()), "wb", 65536)
    while sock.recv(1, socket.MSG_PEEK):
        code = 0
        try:
            worker_main(infile, outfile)
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        outfile.flush()
        if code:
            break
        gc.collect()
    os._exit(0)


def fork(words, sock):
    if "batches" in words:
        os.environ.setdefault("SPARK_HOME", "/tmp")  # only has to be there
        try:  # once, for all that follow
            import pyspark.sql.connect.streaming.worker.foreach_batch_worker
        except Exception:
            pass  # the worker says it
    pid = os.fork()
    if pid == 0:
        try:
            work(sock, words)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    alive.add(pid)
    sock.close()
    return {"pid": pid}


def reap():
    while alive:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        alive.discard(pid)
        if os.WIFSIGNALED(status):
            ended[pid] = "signal %d" % os.WTERMSIG(status)
        else:
            ended[pid] = "exit code %d" % os.WEXITSTATUS(status)
        while len(ended) > 1000:
            del ended[next(iter(ended))]


def kill(pid):
    reap()
    if pid in alive:
        for one in (lambda: os.killpg(pid, signal.SIGKILL), lambda: os.kill(pid, signal.SIGKILL)):
            try:
                one()
            except OSError:
                pass
    return {"ok": True}


def status(pid):
    deadline = time.monotonic() + 0.3
    while True:
        reap()
        if pid not in alive or time.monotonic() > deadline:
            return {"ended": ended.get(pid, "")}
        time.sleep(0.002)


def readable(uid):
    """Looks as that user would."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = ""
        try:
            drop_rights(uid)
            for path in (os.path.join(root, "__init__.py"), os.__file__):
                open(path, "rb").close()
        except BaseException as e:
            text = str(e)
        os.write(write, text.encode()[:4000])
        os._exit(0)
    os.close(write)
    with open(read, "rb") as out:
        text = out.read().decode("utf-8", "replace")
    os.waitpid(pid, 0)
    return {"error": text}


def serve(words, fds):
    sock = socket.socket(fileno=fds[0]) if fds else None
    try:
        if words["do"] == "fork":
            return fork(words, sock)
        if words["do"] == "kill":
            return kill(words["pid"])
        if words["do"] == "status":
            return status(words["pid"])
        if words["do"] == "readable":
            return readable(words["uid"])
        return {"error": "what is %s" % words["do"]}
    except OSError as e:
        if sock is not None:
            sock.close()
        return {"error": str(e)}


answer({"ready": True, "pyspark": pyspark.__version__, "root": root,
        "python": "%d.%d" % sys.version_info[:2]})
poller = select.poll()
poller.register(control, select.POLLIN)
poller.register(wake_read, select.POLLIN)
while True:
    for fd, _ in poller.poll():
        if fd == wake_read:
            try:
                os.read(wake_read, 4096)
            except OSError:
                pass
            reap()
            continue
        try:
            message, fds, _, _ = socket.recv_fds(control, 65536, 1)
        except OSError:
            message = b""
        if not message:
            for pid in list(alive):
                kill(pid)
            os._exit(0)
        answer(serve(json.loads(message), fds))
)python";

}  // namespace weir::python

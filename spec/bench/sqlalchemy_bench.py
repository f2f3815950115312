# SPDX-License-Identifier: MIT
"""The benchmark's workloads in SQLAlchemy's ORM (1.4 or later), for comparison.

    python3 sqlalchemy_bench.py WORKLOAD FILE ROWS

The models and the work are those of perilune_bench.lua, written as SQLAlchemy's manual
writes them; the sizes, data and checksum are those of bench.h and common.c.
"""

import datetime
import gc
import sys
import time

import sqlalchemy as sa
from sqlalchemy import event, orm

Base = orm.declarative_base()
MASK = 0xFFFFFFFF
GROUPS, POSTS, MEMBER, GRAPH_MEMBER, IN_KEYS = 100, 10, 20, 5, 100
PRAGMAS = ("journal_mode", "synchronous", "foreign_keys", "mmap_size", "cache_size",
           "page_size")

user_group = sa.Table(
    "user_group", Base.metadata,
    sa.Column("user_id", sa.ForeignKey("user.id"), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("group.id"), primary_key=True))


class User(Base):
    __tablename__ = "user"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(100), nullable=False)
    posts = orm.relationship("Post", back_populates="user")
    groups = orm.relationship("Group", secondary=user_group, back_populates="users")


class Post(Base):
    __tablename__ = "post"
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(200), nullable=False)
    user_id = sa.Column(sa.ForeignKey("user.id"), nullable=False, index=True)
    user = orm.relationship("User", back_populates="posts")


class Group(Base):
    __tablename__ = "group"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(100), nullable=False)
    users = orm.relationship("User", secondary=user_group, back_populates="groups")


class Record(Base):
    __tablename__ = "record"
    id = sa.Column(sa.Integer, primary_key=True)
    a = sa.Column(sa.Integer)
    b = sa.Column(sa.Integer)
    x = sa.Column(sa.Float)
    y = sa.Column(sa.Float)
    s1 = sa.Column(sa.String(100))
    s2 = sa.Column(sa.String(100))
    s3 = sa.Column(sa.Text)
    s4 = sa.Column(sa.Text)
    flag = sa.Column(sa.Boolean)


class Event(Base):
    __tablename__ = "event"
    id = sa.Column(sa.Integer, primary_key=True)
    at = sa.Column(sa.DateTime)
    data = sa.Column(sa.JSON)


def mix(h, v):
    return (h * 31 + v) & MASK


def mix_text(h, text):
    s = text.encode()
    n = len(s)
    h = mix(h, n)
    return h if n == 0 else mix(h, s[0] + 256 * s[n // 2] + 65536 * s[n - 1])


def scramble(k, n):
    return k * 7919 % n + 1


def group_of(i, j):
    return (i * 7 + j * 5) % GROUPS + 1


def texts(n, template):
    return [template % i for i in range(1, n + 1)]


def event_time(i):
    return datetime.datetime(2024, i // 40320 % 12 + 1, i // 1440 % 28 + 1, i // 60 % 24,
                             i % 60, i * 7 % 60, i * 37 % 1000000)


class Bench:
    """One run: the sizes, the clock and the checksum."""

    def __init__(self, rows):
        self.rows, self.keys, self.authors = rows, rows // 5, rows // 50
        self.graph, self.shapes = rows // 50, rows // 20
        self.seen = self.hash = self.peak_kb = 0
        self.started = self.seconds = 0.0

    def start(self):
        gc.collect()
        self.started = time.monotonic()

    def stop(self):
        self.seconds = time.monotonic() - self.started
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    self.peak_kb = int(line.split()[1])

    def hash_named(self, key, name):
        self.hash = (self.hash + mix_text(mix(1, key), name)) & MASK

    def hash_child(self, parent, key, text):
        self.hash = (self.hash + mix_text(mix(mix(1, parent), key), text)) & MASK

    def hash_record(self, r):
        h = mix(mix(mix(1, r.id), r.a), r.b)
        h = mix(mix(h, int(r.x * 8)), int(r.y * 4))
        for text in (r.s1, r.s2, r.s3, r.s4):
            h = mix_text(h, text)
        self.hash = (self.hash + mix(h, int(r.flag))) & MASK


# ---- one table ----

def insert_flush(bench, session):
    names = texts(bench.rows, "user %06d")
    bench.start()
    users = [User(name=name) for name in names]
    session.add_all(users)
    session.flush()
    bench.seen = sum(u.id for u in users)
    session.commit()
    bench.stop()


def insert_bulk(bench, session):
    rows = [{"name": name} for name in texts(bench.rows, "user %06d")]
    bench.start()
    session.bulk_insert_mappings(User, rows)
    session.commit()
    bench.stop()
    bench.seen = len(rows)


def load_all(bench, session):
    bench.start()
    users = session.query(User).all()
    bench.seen = sum(u.id + len(u.name) for u in users)
    bench.stop()
    for u in users:
        bench.hash_named(u.id, u.name)


def load_wide(bench, session):
    bench.start()
    records = session.query(Record).all()
    seen, total = 0, 0.0
    for r in records:
        seen += r.id + r.a + r.b + len(r.s1) + len(r.s2) + len(r.s3) + len(r.s4)
        if r.flag:
            seen += 1
        total += r.x + r.y
    bench.seen = seen + int(total * 8)
    bench.stop()
    for r in records:
        bench.hash_record(r)


def load_wide_1(bench, session):
    bench.start()
    records = session.query(Record).all()
    bench.seen = sum(len(r.s1) for r in records)
    bench.stop()
    for r in records:
        bench.hash_record(r)


def get_by_pk(bench, session):
    bench.start()
    users = [session.get(User, scramble(k, bench.rows)) for k in range(bench.keys)]
    bench.seen = sum(len(u.name) for u in users)
    bench.stop()
    for u in users:
        bench.hash_named(u.id, u.name)


def filter_query(bench, session):
    seen = 0
    bench.start()
    for k in range(bench.keys):
        posts = (session.query(Post)
                 .filter(Post.user_id == scramble(k, bench.authors), Post.title.like("x%"))
                 .order_by(Post.id.desc()).limit(10).all())
        for i, post in enumerate(posts, 1):
            seen += post.id * i + len(post.title)
    bench.stop()
    bench.seen = seen


def update_flush(bench, session):
    names = texts(bench.rows, "changed %06d")
    users = session.query(User).all()
    bench.start()
    for user, name in zip(users, names):
        user.name = name
    session.commit()
    bench.stop()
    bench.seen = len(users)


def delete_flush(bench, session):
    records = session.query(Record).all()
    bench.start()
    for record in records:
        session.delete(record)
    session.commit()
    bench.stop()
    bench.seen = len(records)


# ---- relationships ----

def walk_posts(bench, query):
    bench.start()
    users = query.all()
    seen = 0
    for user in users:
        for post in user.posts:
            seen += post.id + len(post.title)
    bench.stop()
    bench.seen = seen
    for user in users:
        for post in user.posts:
            bench.hash_child(user.id, post.id, post.title)


def rel_lazy(bench, session):
    walk_posts(bench, session.query(User))


def rel_joined(bench, session):
    walk_posts(bench, session.query(User).options(orm.joinedload(User.posts)))


def rel_selectin(bench, session):
    walk_posts(bench, session.query(User).options(orm.selectinload(User.posts)))


def m2m(bench, session):
    bench.start()
    users = session.query(User).all()
    seen = 0
    for user in users:
        for group in user.groups:
            seen += group.id + len(group.name)
    bench.stop()
    bench.seen = seen
    for user in users:
        for group in user.groups:
            bench.hash_child(user.id, group.id, group.name)


def graph_insert(bench, session):
    names = texts(bench.graph, "user %06d")
    titles = texts(bench.graph * POSTS, "title %07d")
    labels = texts(GROUPS, "group %03d")
    bench.start()
    groups = [Group(name=label) for label in labels]
    users = []
    for i, name in enumerate(names, 1):
        user = User(name=name)
        for j in range(POSTS):
            user.posts.append(Post(title=titles[(i - 1) * POSTS + j]))
        for j in range(GRAPH_MEMBER):
            user.groups.append(groups[group_of(i, j) - 1])
        users.append(user)
    session.add_all(groups)
    session.add_all(users)
    session.flush()
    bench.seen = sum(u.id for u in users)
    session.commit()
    bench.stop()


def small_txn(bench, session):
    names = texts(bench.graph, "user %06d")
    bench.start()
    for name in names:
        session.add(User(name=name))
        session.commit()
    bench.stop()
    bench.seen = len(names)


# ---- the second group ----

def run_shape(bench, column, query_of):
    """Runs a query for each k and sums up key and text of its rows."""
    seen = 0
    bench.start()
    for k in range(bench.shapes):
        for found in query_of(k).all():
            seen += found.id + len(getattr(found, column))
    bench.stop()
    bench.seen = seen


def q_join(bench, session):
    run_shape(bench, "title", lambda k: session.query(Post).join(Post.user).filter(
        User.id == scramble(k, bench.authors), Post.title.like("x%")).order_by(
            Post.id.desc()).limit(10))


def q_group(bench, session):
    seen = 0
    bench.start()
    for k in range(bench.shapes):
        first = scramble(k, bench.authors - 4)
        rows = session.query(Post.user_id, sa.func.count(Post.id).label("n")).filter(
            Post.user_id.between(first, first + 4)).group_by(Post.user_id).order_by(
                Post.user_id).all()
        for row in rows:
            seen += row.user_id * row.n
    bench.stop()
    bench.seen = seen


def q_any(bench, session):
    def query(k):
        first = scramble(k, bench.authors - 4)
        return session.query(User).filter(
            User.id.between(first, first + 4),
            User.posts.any(Post.title.like("x%"))).order_by(User.id)
    run_shape(bench, "name", query)


def q_in(bench, session):
    run_shape(bench, "title", lambda k: session.query(Post).filter(
        Post.id.in_([(k * 101 + j * 37) % bench.rows + 1 for j in range(IN_KEYS)])))


def q_func(bench, session):
    def query(k):
        key = scramble(k, bench.authors)
        return session.query(Post).filter(
            Post.user_id == key, sa.func.upper(Post.title) == f"X TITLE {key}-10")
    run_shape(bench, "title", query)


def load_rows(bench, session):
    bench.start()
    rows = session.query(User.id, User.name).all()
    bench.seen = sum(row[0] + len(row[1]) for row in rows)
    bench.stop()
    for row in rows:
        bench.hash_named(row[0], row[1])


def each(bench, session):
    seen = 0
    bench.start()
    for user in session.query(User).yield_per(100):
        seen += user.id + len(user.name)
    bench.stop()
    bench.seen = seen


def delete_related(bench, session):
    users = session.query(User).all()
    bench.start()
    for user in users:
        session.delete(user)
    session.commit()
    bench.stop()
    bench.seen = len(users)


def typed_insert(bench, session):
    values = [(event_time(i), {"n": i, "tags": ["red", f"tag {i % 7}"], "on": True})
              for i in range(1, bench.keys + 1)]
    bench.start()
    events = [Event(at=at, data=data) for at, data in values]
    session.add_all(events)
    session.flush()
    bench.seen = sum(e.id for e in events)
    session.commit()
    bench.stop()


def typed_load(bench, session):
    seen = 0
    bench.start()
    events = session.query(Event).all()
    for e in events:
        seen += (e.id + e.at.year + e.at.minute + e.at.microsecond + e.data["n"]
                 + len(e.data["tags"][1]))
    bench.stop()
    bench.seen = seen


WORKLOADS = (insert_flush, insert_bulk, load_all, load_wide, load_wide_1, get_by_pk,
             filter_query, update_flush, delete_flush, rel_lazy, rel_joined, rel_selectin,
             m2m, graph_insert, small_txn, q_join, q_group, q_any, q_in, q_func, load_rows,
             each, delete_related, typed_insert, typed_load)


def open_engine(path):
    engine = sa.create_engine("sqlite:///" + path)

    @event.listens_for(engine, "connect")
    def set_pragmas(connection, _record):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA mmap_size = 134217728")

    return engine


def main(arguments):
    name = arguments[1]
    if name == "probe":
        version = sys.version.split()[0]
        sqlite = sa.create_engine("sqlite://").dialect.dbapi.sqlite_version
        print(f"ok probe SQLAlchemy {sa.__version__}, Python {version}, SQLite {sqlite}")
        return
    found = [w for w in WORKLOADS if w.__name__ == name]
    if not found:
        print(f"skip {name} not written for this program")
        return
    orm.configure_mappers()
    engine = open_engine(arguments[2])
    bench = Bench(int(arguments[3]))
    with orm.Session(engine) as session:
        session.connection()
        found[0](bench, session)
        settings = [str(session.execute(sa.text("PRAGMA " + p)).scalar()) for p in PRAGMAS]
    engine.dispose()
    print(f"ok {name} {bench.seen}-{bench.hash:08x} {bench.seconds:.6f} {bench.peak_kb} "
          + ",".join(settings))


main(sys.argv)

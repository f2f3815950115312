# SPDX-License-Identifier: MIT
"""The page of examples/web in Flask with Flask-SQLAlchemy: the same two queries."""
import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from markupsafe import escape
from sqlalchemy.orm import selectinload

app = Flask("blog")
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["BLOG_DB"]
db = SQLAlchemy(app)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(100), nullable=False, unique=True)


class Post(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(200), nullable=False)
    user_id = db.Column(db.Integer, db.ForeignKey("user.id"), nullable=False)
    user = db.relationship("User", backref=db.backref("posts", lazy=True))


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Blog</title></head>
<body><h1>Blog</h1>
<ul>
%s
</ul>
</body></html>
"""


@app.route("/")
def index():
    posts = Post.query.options(selectinload(Post.user)).order_by(Post.id.desc()).limit(10).all()
    return PAGE % "\n".join(
        "<li>%s <i>by %s</i></li>" % (escape(p.title), escape(p.user.name)) for p in posts)

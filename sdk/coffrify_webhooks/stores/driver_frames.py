"""The frames that a driver's error leaves, which are not for crash reporters."""

__all__ = ["unframed"]


def unframed(error: BaseException) -> BaseException:
    """Return a driver's error without the frames that it and its causes left.

    Their local variables hold what the driver connects with, the password included, and crash
    reporters keep them. The text, which is what helps, stays.
    """
    todo, seen = [error], set[int]()
    while todo:
        each = todo.pop()
        seen.add(id(each))
        each.__traceback__ = None
        for holder in ("_info", "_pgconn"):  # psycopg's, of the connection that failed
            vars(each).pop(holder, None)
        causes = (each.__cause__, each.__context__, *getattr(each, "exceptions", ()))
        todo += [other for other in causes if other is not None and id(other) not in seen]
    return error

"""The model side of a replica: one Python class, served over HTTP, one request at a time.

It runs inside the user's own virtual environment (`python -m runtime.replica --folder DIR
--port N`), so it imports the standard library, uvicorn, starlette and pydantic, and nothing
else of this project.
"""

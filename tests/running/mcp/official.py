# The official client, as the program of an agent uses it: begins, looks, and reports. Its arguments are the tool and the
# way to begin; what it heard is a line of JSON. It holds answers to the schemas that the tools told.
import asyncio
import json
import os
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def main(tool, mode):
    server = StdioServerParameters(command=tool, args=["mcp"], env=dict(os.environ))
    async with Client(stdio_client(server), mode=mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]

        async def call(name, arguments):
            result = await client.call_tool(name, arguments)
            return result.structured_content if not result.is_error else {"refused": result.content[0].text}

        answer = {"status": "done", "summary": mode, "outputs": {"word": "salute", "times": "two"}}
        heard = {
            "revision": client.protocol_version,
            "tools": tools,
            "status": await call("run_status", {}),
            "task": await call("task", {}),
            "logs": await call("logs", {"lines": 5}),
            "gates": await call("gates", {}),
            "wrong": await call("report", answer),
            "right": await call("report", {**answer, "outputs": {"word": "salute", "times": 2}}),
        }
        try:
            await client.call_tool("approve", {"task": "a"})
        except Exception as error:
            heard["approve"] = str(error)
        print(json.dumps(heard))


asyncio.run(main(sys.argv[1], sys.argv[2]))

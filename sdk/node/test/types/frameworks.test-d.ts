// The receivers fit the frameworks' own types.

import { createServer } from "node:http";

import express from "express";
import fastify from "fastify";
import { expectError, expectType } from "tsd";

import { action as fastifyAction, webhook as fastifyWebhook } from "../../dist/cjs/fastify.js";
import { action, webhook, type Listener } from "../../dist/cjs/http.js";
import { VoyloResponse, type ActionRequest, type VoyloEvent } from "../../dist/cjs/index.js";

const menu = (call: ActionRequest): VoyloResponse => new VoyloResponse().say(call.digits ?? "nothing");
const told = async (event: VoyloEvent): Promise<void> => console.log(event.event);

expectType<Listener>(action("a", menu));
createServer(webhook(["a", "b"], told, { tolerance: 60 }));
const app = express();
app.post("/menu", action("a", menu));
app.all("/events", express.raw(), webhook("a", told));
const server = fastify();
server.register(fastifyAction({ url: "/menu", secret: "a" }, menu));
server.register(fastifyWebhook({ url: "/events", secret: ["a"], tolerance: 60 }, told), { prefix: "/voylo" });
expectError(action("a", (call: ActionRequest) => call.nothing));
expectError(fastifyAction({ url: "/menu" }, menu));
expectError(action("a", () => 7));
